"""`avbuild push`: upload a data set to the Hugging Face Hub."""

from pathlib import Path

from avbuild.dataset.build_record import read_build
from avbuild.dataset.hub import check_repository, uploading
from avbuild.dataset.storage import Folder
from avbuild.dataset.verify import verify
from avbuild.errors import UserError, listed


def push(folder: Folder, repository: str, public: bool) -> str:
    """Upload every file of a verified data set.

    Shards are uploaded unchanged, so that their hashes stay valid; `load_dataset(repository, "D")` reads them there.

    Args:
        folder: of the data set; must be local.
        repository: OWNER/NAME on the Hub.
        public: whether everybody can see it.

    Returns the address of the repository.

    Raises UsageError for a name that is none on the Hub, UserError where the data set has problems, is not local, or
    the Hub cannot be reached or refuses.
    """
    from huggingface_hub import HfApi

    check_repository(repository, "you/urbansound8k-av")
    if not folder.local:
        raise UserError(f"{folder}: only a local data set can be uploaded; copy it to this machine first")
    build = read_build(folder)
    _, problems, _ = verify(folder)
    if problems:
        raise UserError(f"{folder}: does not pass avbuild verify, so it was not uploaded\n{listed(problems)}")
    splits = [split for record in build.scenarios.values() for split in record.splits.values()]
    shards = {shard.file for split in splits for shard in split.shards}
    api = HfApi()
    with uploading(repository):
        address = api.create_repo(repository, repo_type="dataset", private=not public, exist_ok=True)
        api.upload_folder(
            repo_id=repository,
            repo_type="dataset",
            folder_path=Path(folder.url),
            allow_patterns=[*sorted(shards), "README.md", "croissant.json", "manifest.yaml", "build.json"],
            delete_patterns="*.parquet",
            commit_message=f"{build.name}, job {build.job[:12]}",
        )
    return str(address)

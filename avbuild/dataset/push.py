"""`avbuild push`: a data set to the Hugging Face Hub, byte for byte as it lies here."""

from pathlib import Path

from avbuild.dataset.build_record import read_build
from avbuild.dataset.storage import Folder
from avbuild.dataset.verify import verify
from avbuild.errors import UserError, listed


def push(folder: Folder, repository: str, public: bool) -> str:
    """Upload every file of a verified data set; returns its address.

    The shards go as they are, so that their hashes stay true; `load_dataset(repository, "D")` reads them there.
    Raises UserError where the data set is not sound, not a local folder, or the Hub refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    if not folder.local:
        raise UserError(f"{folder}: only a data set on this machine can be sent; copy it here first")
    build = read_build(folder)
    _, problems, _ = verify(folder)
    if problems:
        raise UserError(f"{folder}: is not sound, and is not sent\n{listed(problems)}")
    shards = {shard.file for made in build.scenarios.values() for s in made.splits.values() for shard in s.shards}
    api = HfApi()
    try:
        address = api.create_repo(repository, repo_type="dataset", private=not public, exist_ok=True)
        api.upload_folder(
            repo_id=repository,
            repo_type="dataset",
            folder_path=Path(folder.url),
            allow_patterns=[*sorted(shards), "README.md", "croissant.json", "manifest.yaml", "build.json"],
            delete_patterns="*.parquet",
            commit_message=f"{build.name}, job {build.job[:12]}",
        )
    except (HfHubHTTPError, OSError) as error:
        raise UserError(
            f"{repository}: the Hub could not be reached or refused ({str(error).splitlines()[0]}). "
            "Log in with: hf auth login; the same command finishes the rest"
        ) from error
    return str(address)

"""`avbuild push`: upload a data set to the Hugging Face Hub."""

import re
from pathlib import Path

from avbuild.dataset.build_record import read_build
from avbuild.dataset.storage import Folder
from avbuild.dataset.verify import verify
from avbuild.errors import UsageError, UserError, listed

REPOSITORY = r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*"


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

    if not re.fullmatch(REPOSITORY, repository):
        raise UsageError(f"{repository}: is no name on the Hub; write OWNER/NAME, such as you/urbansound8k-av")
    if not folder.local:
        raise UserError(f"{folder}: only a local data set can be uploaded; copy it to this machine first")
    build = read_build(folder)
    _, problems, _ = verify(folder)
    if problems:
        raise UserError(f"{folder}: does not pass avbuild verify, so it was not uploaded\n{listed(problems)}")
    splits = [split for record in build.scenarios.values() for split in record.splits.values()]
    shards = {shard.file for split in splits for shard in split.shards}
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
    except Exception as error:  # the kinds of errors change with the Hub's library and the one it uses for HTTP
        raise _not_sent(repository, error) from error
    return str(address)


def _not_sent(repository: str, error: Exception) -> UserError:
    """Return the error for an upload that failed: without a network, or by the Hub's answer."""
    reason = next(iter(str(error).splitlines()), "") or type(error).__name__
    again = "then run the same command again: it uploads what is missing"
    if getattr(error, "response", None) is not None:
        return UserError(f"{repository}: the Hub refused ({reason}). Log in with hf auth login, {again}")
    reached = f"{repository}: the Hub could not be reached or refused ({reason})"
    return UserError(f"{reached}. Check the network and hf auth whoami, {again}")

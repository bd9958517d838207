"""A data set of the user's own files: folders of audio, images, videos and texts, paired as the user says."""

from collections.abc import Mapping, Sequence

from avbuild.errors import UsageError, UserError
from avbuild.sources.builder import AnyCorpus, Builder
from avbuild.sources.corpus import Material
from avbuild.sources.label_map import ClassMatch, load_label_map, match_classes
from avbuild.sources.options import Options
from avbuild.sources.own_folders import OwnFolder, check_splits, read_own_folder
from avbuild.sources.own_pairs import pairs_by_class, pairs_by_stem

PAIR = (
    "--pair stem: equal file names within a class belong together; --pair class: any file of a class fits any other; "
    "--pair index: as class, and classes without a partner of their name are paired in their order"
)


def read_own(options: Options, _: AnyCorpus) -> Material:
    """Read the folders that --audio, --image, --video and --text name, and decide what belongs together.

    Raises UsageError where options are missing or exclude each other, UserError where the folders do not fit.
    """
    _check_options(options)
    folders = [read_own_folder(modality, root, options) for modality, root in options.own_folders.items()]
    check_splits(folders)
    if folders[0].layout.splits and options.split != "grouped":
        raise UsageError(f"--split {options.split}: the folders give the splits themselves")
    first, *others = folders
    matches = {other.modality: _match(first, other, options) for other in others}
    if options.pair == "stem" or not others:
        return pairs_by_stem(folders, matches, options.group_pattern)
    if options.pair == "class":
        matches = {modality: _by_name(match) for modality, match in matches.items()}
    return pairs_by_class(folders, matches, options.group_pattern, others_needed=options.pair == "class")


def _check_options(options: Options) -> None:
    folders = options.own_folders
    if not folders:
        raise UsageError("folder: give at least one of --audio DIR, --image DIR, --video DIR and --text DIR")
    if options.name is None:
        raise UsageError("folder: give the data set a name with --name, such as --name mine")
    if options.pair is None and len(folders) > 1:
        raise UsageError(f"folder: say with --pair how {' and '.join(folders)} belong together. {PAIR}")
    if options.label_map is not None and (options.pair == "stem" or len(folders) != 2):
        raise UsageError("--label-map goes with --pair class or index, and two modalities")
    if options.fps is not None and "video" not in folders:
        raise UsageError("--fps goes with --video")


def _match(first: OwnFolder, other: OwnFolder, options: Options) -> dict[str, ClassMatch]:
    """Match the classes of two modalities.

    Raises UserError where no name of one fits the other, unless the user asks for pairing by index.
    """
    targets, partners = first.corpus.classes, other.corpus.classes
    fits = load_label_map(options.label_map, targets, partners) if options.label_map else {}
    match = match_classes(targets, partners, fits)
    if options.pair != "index" and all(found.by_index for found in match.values()):
        raise UserError(
            f"no class of {first.modality} is a class of {other.modality}: {_some(targets)} and {_some(partners)}\n"
            f"{first.tree}\n{other.tree}\nGive the class folders equal names, name what fits in a --label-map FILE, or "
            "ask for pairs in the order of the classes with --pair index"
        )
    return match


def _by_name(match: Mapping[str, ClassMatch]) -> dict[str, ClassMatch]:
    return {name: found for name, found in match.items() if not found.by_index}


def _some(classes: Sequence[str], most: int = 6) -> str:
    return ", ".join(classes[:most]) + (f" and {len(classes) - most:,} more" if len(classes) > most else "")


BUILDER = Builder(
    name="folder",
    title="Own files",
    needs="your own files: --audio, --image, --video, --text: CLASS/FILE, or train/CLASS/FILE and test/CLASS/FILE",
    licence="as you state with --licence",
    read=read_own,
    options=frozenset(
        {"name", "title", "licence", "description", "audio", "image", "video", "text", "pair", "group_pattern"}
        | {"fps", "label_map"}
    ),
    examples=(
        "avbuild make folder --name mine --audio wav/ --image jpg/ --pair stem",
        "avbuild make folder --name mine --audio wav/ --image jpg/ --pair class",
    ),
    own_files=True,
)

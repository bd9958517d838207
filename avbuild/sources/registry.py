"""Every data set that `avbuild make` can build, by name.  A new corpus is a file of its own and a line here."""

from collections.abc import Mapping

from avbuild.errors import UsageError, nearest
from avbuild.sources import cifar10, crema_d, demo, own, urbansound8k
from avbuild.sources.audio_corpora import read_any_audio
from avbuild.sources.builder import AnyCorpus, Builder
from avbuild.sources.corpus import Material
from avbuild.sources.images import read_images
from avbuild.sources.options import Options

BUILDERS: Mapping[str, Builder] = {
    builder.name: builder
    for builder in (urbansound8k.BUILDER, cifar10.BUILDER, crema_d.BUILDER, own.BUILDER, demo.BUILDER)
}


def find_builder(name: str) -> Builder:
    """Return the builder of a data set.

    Args:
        name: of the data set.

    Raises UsageError that lists all names for an unknown one.
    """
    if name not in BUILDERS:
        raise UsageError(f'no data set "{name}"{nearest(name, BUILDERS)}; known: {", ".join(BUILDERS)}')
    return BUILDERS[name]


def read_sources(builder: Builder, options: Options) -> Material:
    """Read everything that a data set is built from.

    Args:
        builder: of the data set.
        options: of the user.

    Raises UserError where something cannot be obtained.
    """
    return builder.read(options, AnyCorpus(audio=read_any_audio, images=read_images))

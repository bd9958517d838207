"""Every data set that `avbuild make` can build, by name.  A new corpus is a file of its own and a line
here, or a plug-in."""

from collections.abc import Mapping
from dataclasses import replace

from avbuild.errors import UsageError, nearest
from avbuild.plugins.registry import defined, refuse_shipped
from avbuild.sources import (
    cifar10,
    crema_d,
    demo,
    food_101,
    iemocap,
    kinetics_sounds,
    mvsa_single,
    own,
    ravdess,
    table,
    urbansound8k,
)
from avbuild.sources.audio_corpora import read_any_audio
from avbuild.sources.builder import AnyCorpus, Builder
from avbuild.sources.corpus import Material
from avbuild.sources.images import read_images
from avbuild.sources.options import Options

BUILDERS: Mapping[str, Builder] = {
    builder.name: builder
    for builder in (
        urbansound8k.BUILDER,
        cifar10.BUILDER,
        crema_d.BUILDER,
        mvsa_single.BUILDER,
        food_101.BUILDER,
        iemocap.BUILDER,
        kinetics_sounds.BUILDER,
        ravdess.BUILDER,
        own.BUILDER,
        table.BUILDER,
        demo.BUILDER,
    )
}


def all_builders() -> Mapping[str, Builder]:
    """Return the builders of avbuild and of all plug-ins, by name.

    Raises UserError where a plug-in cannot be loaded, or takes the name of a data set of avbuild.
    """
    shipped = BUILDERS.values()
    plugged = [d for d in defined(Builder.plugin_group).values() if all(d.item is not builder for builder in shipped)]
    refuse_shipped(plugged, BUILDERS)
    return {**BUILDERS, **{d.name: replace(d.item, plugin=d.source) for d in plugged}}


def find_builder(name: str) -> Builder:
    """Return the builder of a data set.

    Args:
        name: of the data set.

    Raises UsageError that lists all names for an unknown one.
    """
    known = all_builders()
    if name not in known:
        raise UsageError(
            f'no data set "{name}"{nearest(name, known)}; known: {", ".join(known)}. '
            "For that of your own table give --table FILE; for that of a plug-in give --plugin FILE.py, or install its "
            "package"
        )
    return known[name]


def read_sources(builder: Builder, options: Options) -> Material:
    """Read everything that a data set is built from.

    Args:
        builder: of the data set.
        options: of the user.

    Raises UserError where something cannot be obtained.
    """
    return builder.read(options, AnyCorpus(audio=read_any_audio, images=read_images))

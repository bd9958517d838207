"""Plug-ins: corruptions, data sets, methods, backbones and report sections from files and from installed packages."""

import sys

from avbuild.plugins.files import PluginFinder

# a process that unpickles an object of a plug-in file imports its module by name
if not any(isinstance(finder, PluginFinder) for finder in sys.meta_path):
    sys.meta_path.append(PluginFinder())

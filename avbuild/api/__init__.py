"""The public Python functions `avbuild.corrupt` and `avbuild.load`, and the checks of what they are given."""

"""An example of a plug-in package: one module for each thing that it adds."""

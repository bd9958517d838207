"""OGM-GE's recipe, as its released code trains on CREMA-D: it differs from MLA's in audio, frames and strength.

Source: GeWu-Lab/OGM-GE_CVPR2022, with the arguments of its README.  It samples the index of a frame and does not use
it, so that the frame is the first one of a folder's listing; here it is the first one in order of time.
"""

from avtrain.reproduction.mla.recipe import MLA_RECIPE
from avtrain.reproduction.recipe import PublishedRecipe
from avtrain.training.options import merged_options

OGM_GE_RECIPE = PublishedRecipe(
    name="OGM-GE",
    options=merged_options(MLA_RECIPE.options, {"backbone_options": {"spectrogram": "ogm-ge", "frames": 1}}),
    methods={"ogm-ge": {"method_options": {"alpha": 0.8, "on": "convolutions", "begin": 0.0, "end": 0.5}}},
    select_on="test",
)

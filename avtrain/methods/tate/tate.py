"""TATE: a transformer that is told which modalities are missing, and learns from one that sees them all."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from avbuild.errors import UsageError
from avtrain.backbones.base import Backbone, Reading
from avtrain.data.batch import Batch
from avtrain.methods.base import Method, Prediction
from avtrain.methods.shared.drawn_absence import all_present, draw_subsets
from avtrain.methods.shared.two_stages import student_step
from avtrain.methods.shared.unimodal_features import mean_where
from avtrain.methods.tate.network import TaggedEncoder, attention_block, tag_of

"""`avtrain methods`."""

from tests.avtrain.training.test_fit import avtrain_


def test_methods_lists_name_line_and_source() -> None:
    listed = avtrain_("methods")
    for word in ("finetune", "linear-probe", "prompt", "CVPRW"):
        assert word in listed

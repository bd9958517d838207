"""The section of a model card that shows its use: by `avtrain.load`, and by PyTorch alone."""

from avtrain.inference.export_file import TOKENIZER
from avtrain.inference.loaded_run import LoadedRun

EXAMPLES = {"audio": "bark.wav", "image": "dog.jpg", "video": "clip.mp4", "text": "What a day!"}
SIGNALS = {
    "audio": "torch.zeros(1, 48_000)  # float32 [batch, samples] at 16 kHz, full scale 1.0",
    "image": "torch.zeros(1, 480, 640, 3, dtype=torch.uint8)  # [batch, height, width, 3]",
    "video": "torch.zeros(1, 5, 480, 640, 3, dtype=torch.uint8)  # [batch, frames, height, width, 3]",
    "text": 'torch.tensor([tokenizer.encode("What a day!").ids])  # token ids, int64 [batch, tokens]',
}


def usage(repository: str, loaded: LoadedRun, inputs: tuple[str, ...] | None) -> str:
    """Return the section as Markdown.

    Args:
        repository: OWNER/NAME on the Hub.
        loaded: the run.
        inputs: names of the inputs of `model.pt2`; None where there is no such file.
    """
    modalities = loaded.method.backbone.modalities
    given = ", ".join(f'{modality}="{EXAMPLES[modality]}"' for modality in modalities if modality in EXAMPLES)
    text = (
        "## Use\n\n```python\nimport avtrain  # pip install 'avbuild[train]'\n"
        "from huggingface_hub import snapshot_download\n\n"
        f'classifier = avtrain.load(snapshot_download("{repository}"))\n'
        f"output = classifier({given})  # one of them is enough\n"
        "output.label, output.probabilities, output.missing\n```\n"
    )
    if len(modalities) == 1:
        text = text.replace("  # one of them is enough", "")
    return text if inputs is None else f"{text}\n{_pytorch_alone(repository, inputs)}"


def _pytorch_alone(repository: str, inputs: tuple[str, ...]) -> str:
    lines = []
    for name in inputs:
        if name in SIGNALS:
            signal, _, note = SIGNALS[name].partition("  # ")
            lines.append(f"{name}={signal},  # {note}")
        elif name.endswith("_length"):
            lines.append(f"{name}=torch.tensor([48_000]),  # samples of each clip")
        elif name.endswith("_present"):
            lines.append(f"{name}=torch.tensor([True]),  # False: missing, and the tensor is not used")
        else:
            lines.append(f"{name}=torch.tensor([0]),  # number of the scenario, as listed below")
    arguments = "".join(f"    {line}\n" for line in lines)
    reads_text = "text" in inputs
    alone = "PyTorch and the library tokenizers" if reads_text else "PyTorch alone"
    tokenizer = f'tokenizer = Tokenizer.from_file(hf_hub_download("{repository}", "{TOKENIZER}"))\n'
    return (
        f"With {alone}, and the front end inside the file:\n\n```python\nimport json\n\nimport torch\n"
        f"from huggingface_hub import hf_hub_download\n{'from tokenizers import Tokenizer' if reads_text else ''}\n"
        f"{chr(10) + tokenizer if reads_text else ''}"
        'extra = {"avtrain.json": ""}\n'
        f'file = hf_hub_download("{repository}", "model.pt2")\n'
        "program = torch.export.load(file, extra_files=extra).module()\n"
        f"probabilities = program(\n{arguments})\n"
        'classes = json.loads(extra["avtrain.json"])["classes"]\n'
        "classes[probabilities[0].argmax()]\n```\n"
    )

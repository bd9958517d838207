"""MLA's recipe, as its released code trains on CREMA-D.

Source: Cecile-hi/Multimodal-Learning-with-Alternating-Unimodal-Adaptation, ab6c184, with its default arguments.  Its
frames are the first ones of a folder's listing, whose order the file system decides; here they are in order of time.
"""

from avtrain.reproduction.recipe import PublishedRecipe

MLA_RECIPE = PublishedRecipe(
    name="MLA",
    options={
        "backbone": "resnet",
        "backbone_options": {
            "spectrogram": "fbank",  # Kaldi, 128 x 1024, not normalised
            "image_size": 224,
            "resize": "squash",
            "frames": 3,
            "frame_choice": "first",
        },
        "method_options": {"head_init": "xavier"},
        "train_split": "train+validation",  # it has no validation split
        "epochs": 100,
        "batch_size": 64,
        "lr": 1e-3,
        "optimizer": "sgd",  # with a momentum of 0.9
        "weight_decay": 1e-4,
        "schedule": "step",
        "decay_at": 0.7,
        "warmup": 0.0,
        "augment": "crop-flip",
        "precision": "fp32",
    },
    methods={
        "ogm-ge": {"method_options": {"alpha": 0.3, "on": "convolutions", "begin": 0.0, "end": 0.5}},
        "qmf": {"method_options": {"rank_weight": 0.1}},
    },
    select_on="test",
    seeds=3,
)

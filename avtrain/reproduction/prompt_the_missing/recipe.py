"""The recipe of *Prompt the Missing*, as far as its released code states it: of prompt learning alone.

Source: pej0918/Prompt-The-Missing, 6355093, with its README's arguments.  The toolkit offers neither its loss (binary
cross-entropy) nor its choice of the epoch (lowest training loss), nor training on a part of each batch; these stay
reasons not to compare.  The recipes of fine-tuning, LoRA and adapters are not in our sources.
"""

from avtrain.reproduction.recipe import PublishedRecipe

PROMPT_METHOD = "prompt"
PRESET = "poster"  # the published noise
PROMPT_RECIPE = PublishedRecipe(
    name="Prompt the Missing",
    options={"backbone": "cav-mae", "precision": "fp32"},
    methods={
        PROMPT_METHOD: {
            "epochs": 5,
            "batch_size": 128,
            "lr": 1e-3,
            "optimizer": "adamw",  # the published one is Adam, which at this weight decay is the same but for rounding
            "weight_decay": 5e-7,
            "schedule": "step",
            "decay_at": 1.0,  # the learning rate stays: the released code never steps its schedule
            "warmup": 0.0,
            "method_options": {},
        }
    },
)

"""Names of CREMA-D's clips: 1001_DFA_ANG_XX is actor, sentence, emotion and level."""

import re

EMOTIONS = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
# ActorID_Sentence_EMO_LEVEL; the level of one published clip is X instead of XX
NAME = re.compile(rf"([0-9]{{4}})_([A-Z]{{3}})_({'|'.join(EMOTIONS)})_([A-Z]{{1,2}})")

"""One file a corpus: find or download it, check it, and say what clips or pictures it has."""

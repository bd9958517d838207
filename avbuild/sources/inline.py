"""A text that is no file of its own, but stands in a list, a table or a transcript."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InlineText:
    """A text, and what problems call it."""

    name: str
    text: str

    def read(self) -> bytes:
        # a half of a surrogate pair, which JSON can write, is then found when all files are checked
        return self.text.encode("utf-8", "surrogatepass")

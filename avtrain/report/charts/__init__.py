"""Charts as inline SVG: no library, no script; light or dark colours as the reader's browser prefers."""

"""Reports over many runs: results, tables, sections with their charts, and the files that hold them."""

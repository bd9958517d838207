"""Reports over many runs: results, tables, page and charts."""

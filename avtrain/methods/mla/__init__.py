"""MLA: alternating unimodal adaptation, the modification of its head's gradient, and its fusion."""

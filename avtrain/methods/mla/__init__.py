"""MLA: alternating unimodal adaptation, its head gradient modification and its fusion."""

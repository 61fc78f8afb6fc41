"""What was measured beside the paper's numbers: tables, figures, page and the README's table, from stored results."""

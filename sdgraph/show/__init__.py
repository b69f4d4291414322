"""How a graph looks: tables, formulas, pictures."""

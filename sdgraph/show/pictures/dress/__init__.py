"""How it looks: cards, arrows, words, colours."""

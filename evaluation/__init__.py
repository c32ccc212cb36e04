"""How well a model embeds, and how fairly a collection ranks: figures on data that nobody trained on."""

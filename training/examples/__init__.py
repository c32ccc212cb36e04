"""Small programs that show one idea each; nothing else uses them."""

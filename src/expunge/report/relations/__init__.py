"""How records of `expunge relate` are shown: pictures, tables and words."""

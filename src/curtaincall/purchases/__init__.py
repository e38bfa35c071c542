"""What is bought out of the wallet: instant unlocks, HD passes, battle entries, tips; and what becomes of a pot."""

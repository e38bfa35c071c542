"""What every domain shares: ids, money, time, errors, events. Imports nothing of ours."""

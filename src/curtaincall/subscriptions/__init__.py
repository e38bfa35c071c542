"""Subscriptions: paid by card each month, earned day by day, kept through a few declines, ended when nobody pays."""

"""How services call addresses that users name: one client, and no way around its checks."""

"""The stores: one file per feature, which contains its SQL and converts its rows, for all databases."""

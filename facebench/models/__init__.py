"""Networks: one file per family, all behind `BaseModel`."""

"""What stands before the Dagster UI and before the API alike: names, sizes, patience. Nothing of what they answer."""

"""A trained model behind HTTP: requests of many clients and tasks share encoder passes."""

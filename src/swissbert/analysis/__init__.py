"""What a trained model does, looked at: labels, scores, errors, attention, training. Figures and one HTML page."""

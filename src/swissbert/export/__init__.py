"""A trained model for other programs: classifiers of Hugging Face, and ONNX files."""

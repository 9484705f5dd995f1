"""The composition root without Ray and MLflow: each stage as a plain function that can be run alone, in one process."""

"""The composition root without Ray and MLflow: each stage is a plain function that runs in one process."""

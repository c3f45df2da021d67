"""Serves images: `python -m services.image --help`.

The workers' processes import this module too (multiprocessing looks for the main one), and nothing of the service then.
"""

if __name__ == "__main__":
    from services.common.runtime import run
    from services.image.server import main
    from services.image.settings import ImageSettings

    run("services.image", "Serves images over gRPC.", ImageSettings, main)

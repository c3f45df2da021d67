"""Entry point of the image service: `python -m services.image --help`.

The processes of the worker pool import this module too, because multiprocessing imports the main module of its parent;
the imports below keep the service itself out of them.
"""

if __name__ == "__main__":
    from services.common.runtime import run
    from services.image.server import main
    from services.image.settings import ImageSettings

    run("services.image", "Serve images over gRPC.", ImageSettings, main)

"""Entry point of the video service: `python -m services.video --help`.

The processes of the worker pool import this module too, because multiprocessing imports the main module of its parent;
the imports below keep the service itself out of them.
"""

if __name__ == "__main__":
    from services.common.runtime import run
    from services.video.server import main
    from services.video.settings import VideoSettings

    run("services.video", "Serve videos over gRPC.", VideoSettings, main)

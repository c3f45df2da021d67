"""Serves videos: `python -m services.video --help`.

The workers' processes import this module too (multiprocessing looks for the main one), and nothing of the service then.
"""

if __name__ == "__main__":
    from services.common.runtime import run
    from services.video.server import main
    from services.video.settings import VideoSettings

    run("services.video", "Serves videos over gRPC.", VideoSettings, main)

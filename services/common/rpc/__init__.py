"""Code that every gRPC server and client of the suite shares."""

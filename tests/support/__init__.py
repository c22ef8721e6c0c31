"""What several tests share: pictures, files, networks, other people's programs, and a second decoder."""

"""From folders of pictures to priors."""

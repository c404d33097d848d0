<?php
/*
 * Where Cometlog is.  These are the places of the main README's "Install";
 * change them to yours.  All examples read this file.
 */
return [
	// The log, for publishing by SQL.  PHP runs as the user it belongs to.
	'log' => '/var/lib/cometlog/cometlog.db',

	// The tip file (option tip-file): the newest cursor, for rendering.
	'tip' => '/var/lib/cometlog/comet-tip',

	// The program as PHP reaches it, for publishing over HTTP.  With a
	// password: http://alice:secret@127.0.0.1/comet
	'http' => 'http://127.0.0.1/comet',

	// The program as browsers reach it.
	'browser' => '/comet',
];

<?php
declare(strict_types=1);

/** The server says no, and would again: getCode() is the status of HTTP. */
class CometlogRefused extends RuntimeException
{
}

/**
 * There was no answer in time.  The message may or may not be stored; to
 * publish it once more with the same id is safe.
 */
class CometlogUnavailable extends RuntimeException
{
}

/**
 * Publishes over HTTP, from any machine and as any user.  PHP 7.4 or newer,
 * without extensions.
 *
 *	$comet = new CometlogHttp('http://127.0.0.1/comet');
 *	$comet->publish('orders/77', ['state' => 'paid']);
 */
final class CometlogHttp
{
	private const PAUSE_S = 0.1;    // before the second try, then doubling
	private const PAUSE_MAX_S = 2.0;

	private string $base;
	private float $patience_s;

	/**
	 * $patience_s: how long publish() goes on trying.  Keep it short where a
	 * visitor waits for the page.
	 */
	public function __construct(string $base, float $patience_s = 5.0)
	{
		if (!ini_get('allow_url_fopen'))
			throw new LogicException('allow_url_fopen is off in php.ini');
		$this->base = rtrim($base, '/');
		$this->patience_s = $patience_s;
	}

	/**
	 * Returns once the message is safely in the log.  $data: text, or whatever
	 * json_encode takes.
	 *
	 * What may pass (429, 5xx, no answer) is tried again.  Each message has
	 * an id, and the log stores an id once, so that it makes no difference
	 * whether a try that got no answer had arrived.  An $id of your own, such
	 * as "order-77-paid", does the same for a script that is run twice.
	 *
	 * @return array seq, cursor, channel; duplicate: true when it was there
	 * @throws CometlogRefused, CometlogUnavailable
	 */
	public function publish(string $channel, $data, ?string $event = null,
		?string $id = null): array
	{
		$message = [
			'channel' => $channel,
			'data' => $data,
			'id' => $id ?? bin2hex(random_bytes(16)),
		];
		if ($event !== null)
			$message['event'] = $event;
		return $this->send(json_encode($message, JSON_THROW_ON_ERROR |
			JSON_PRESERVE_ZERO_FRACTION | JSON_UNESCAPED_UNICODE));
	}

	private function send(string $body): array
	{
		$until = self::now() + $this->patience_s;
		$pause = self::PAUSE_S;

		for (;;) {
			$answer = $this->post($body, $until - self::now());
			if (isset($answer['json']['seq']))
				return $answer['json'];
			if (self::isFinal($answer['status']))
				throw new CometlogRefused($answer['reason'],
					$answer['status']);
			$wait = max($answer['wait'], self::jittered($pause));
			if (self::now() + $wait > $until)
				throw new CometlogUnavailable($answer['reason'],
					$answer['status']);
			usleep((int) ($wait * 1e6));
			$pause = min(self::PAUSE_MAX_S, 2 * $pause);
		}
	}

	/** @return array status (0: no answer), json, wait in seconds, reason */
	private function post(string $body, float $timeout_s): array
	{
		$context = stream_context_create(['http' => [
			'method' => 'POST',
			'header' => ['Content-Type: application/json'],
			'content' => $body,
			'timeout' => max(1.0, $timeout_s),
			'ignore_errors' => true,        // their text is wanted, too
			'follow_location' => 0,
		]]);
		error_clear_last();
		$stream = @fopen("$this->base/publish", 'r', false, $context);
		if ($stream === false)
			return ['status' => 0, 'json' => null, 'wait' => 0.0,
				'reason' => error_get_last()['message'] ?? 'no answer'];
		$head = stream_get_meta_data($stream)['wrapper_data'];
		$json = json_decode((string) stream_get_contents($stream), true);
		fclose($stream);

		$status = self::statusOf($head);
		return ['status' => $status, 'wait' => self::waitOf($head),
			'json' => $status < 300 && is_array($json) ? $json : null,
			'reason' => $json['detail'] ??
				"$this->base answered $status, not as Cometlog does"];
	}

	private static function isFinal(int $status): bool
	{
		return $status >= 300 && $status < 500 &&
			$status !== 408 && $status !== 429;
	}

	private static function statusOf(array $head): int
	{
		return preg_match('{^HTTP/\S+ (\d+)}', $head[0] ?? '', $found)
			? (int) $found[1] : 0;
	}

	/** Retry-After has seconds or a date. */
	private static function waitOf(array $head): float
	{
		foreach ($head as $line)
			if (preg_match('/^Retry-After: *(.+)/i', $line, $found))
				return (float) max(0, is_numeric($found[1]) ? $found[1]
					: strtotime($found[1]) - time());
		return 0.0;
	}

	/** So that many who were sent away don't come back at the same moment. */
	private static function jittered(float $s): float
	{
		return $s * (0.5 + 0.5 * mt_rand() / mt_getrandmax());
	}

	private static function now(): float
	{
		return hrtime(true) / 1e9;
	}
}

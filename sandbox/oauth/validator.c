/*
 * OAuth validator module of PostgreSQL 18 (documentation, chapter 50). It asks the sandbox, over the unix socket that
 * SANDBOX_OAUTH_SOCKET names, whether a token opens a role, so that all judgement stays in one place.
 *
 * PostgreSQL's headers are not needed to build it: the few structures that the server looks at are declared here, as
 * version 18 lays them out.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#define EXPORTED __attribute__((visibility("default")))

/* fmgr.h: what a module says about itself, and what the server compares before it calls into the module. */
typedef struct
{
	int			version;
	int			funcmaxargs;
	int			indexmaxkeys;
	int			namedatalen;
	int			float8byval;
	char		abi_extra[32];
} Pg_abi_values;

typedef struct
{
	int			len;
	Pg_abi_values abi_fields;
	const char *name;
	const char *version;
} Pg_magic_struct;

/* libpq/oauth.h */
typedef struct
{
	int			sversion;
	void	   *private_data;
} ValidatorModuleState;

typedef struct
{
	bool		authorized;
	char	   *authn_id;
} ValidatorModuleResult;

typedef struct
{
	uint32_t	magic;
	void		(*startup_cb) (ValidatorModuleState *state);
	void		(*shutdown_cb) (ValidatorModuleState *state);
	bool		(*validate_cb) (const ValidatorModuleState *state, const char *token, const char *role,
								ValidatorModuleResult *result);
} OAuthValidatorCallbacks;

#define PG_OAUTH_VALIDATOR_MAGIC 0x20250220

/* palloc.h; the server is linked against when it loads the module. */
extern char *pstrdup(const char *in);

static const char accepted[] = "OK ";
static const int answer_limit_seconds = 5;

static int
connect_to_sandbox(void)
{
	const char *path = getenv("SANDBOX_OAUTH_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = answer_limit_seconds};
	int			fd;

	if (path == NULL || strlen(path) >= sizeof address.sun_path)
		return -1;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 &&
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
		connect(fd, (struct sockaddr *) &address, sizeof address) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Writes a text with the zero byte at its end. */
static bool
write_text(int fd, const char *text)
{
	size_t		left = strlen(text) + 1;

	while (left > 0)
	{
		ssize_t		written = send(fd, text, left, MSG_NOSIGNAL);

		if (written <= 0)
			return false;
		text += written;
		left -= (size_t) written;
	}
	return true;
}

/* Reads a text up to the zero byte at its end. */
static bool
read_text(int fd, char *text, size_t size)
{
	size_t		got = 0;

	while (got < size)
	{
		ssize_t		received = recv(fd, text + got, size - got, 0);

		if (received <= 0)
			return false;
		got += (size_t) received;
		if (text[got - 1] == '\0')
			return true;
	}
	return false;
}

/* False means that the question could not be asked; a refused token is an answer. */
static bool
validate(const ValidatorModuleState *state, const char *token, const char *role, ValidatorModuleResult *result)
{
	char		answer[512];
	bool		asked;
	int			fd = connect_to_sandbox();

	(void) state;
	if (fd < 0)
		return false;
	asked = write_text(fd, token) && write_text(fd, role) && read_text(fd, answer, sizeof answer);
	close(fd);
	if (asked && strncmp(answer, accepted, sizeof accepted - 1) == 0)
	{
		result->authorized = true;
		result->authn_id = pstrdup(answer + sizeof accepted - 1);
	}
	return asked;
}

EXPORTED const Pg_magic_struct *Pg_magic_func(void);
EXPORTED const OAuthValidatorCallbacks *_PG_oauth_validator_module_init(void);

const Pg_magic_struct *
Pg_magic_func(void)
{
	static const Pg_magic_struct magic = {
		.len = sizeof(Pg_magic_struct),
		.abi_fields = {
			.version = 1800,
			.funcmaxargs = 100,
			.indexmaxkeys = 32,
			.namedatalen = 64,
			.float8byval = sizeof(void *) >= 8,
			.abi_extra = "PostgreSQL",
		},
		.name = "sandbox_oauth_validator",
		.version = "1",
	};

	return &magic;
}

const OAuthValidatorCallbacks *
_PG_oauth_validator_module_init(void)
{
	static const OAuthValidatorCallbacks callbacks = {
		.magic = PG_OAUTH_VALIDATOR_MAGIC,
		.validate_cb = validate,
	};

	return &callbacks;
}

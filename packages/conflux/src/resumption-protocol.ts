/**
 * The subprotocol by which an exit says in its descriptor that it takes offers to resume (see `BeginOptions.resumption`), version 1. Authorities
 * hand on what they do not know; a client makes the offer to nobody else.
 */
export const RESUMPTION_PROTOCOL = "Allium-Resumption";

/** Where chance comes from: a seedable generator in tests, the platform's in a program. */
export interface Random {
  /** A number from 0 to less than 1, with as many bits as a number has. */
  uniform(): number;
}
